"""What the documents show is taken: examples of configurations go through rosterd --check, and commands are run."""

import json
import os
import re
import socket
import subprocess

from lib import Slapd, base, deadline, life, need, wait_for

MAIN = "README.md"
MANUALS = ("man/rosterd.conf.5", "man/rosterd-rules.5")
FOLDER = "docs"
# Nothing is wrong with an example for lack of its files.
EXPECTED = re.compile(r"No such file|does not exist|cannot open|is not there: install")


def read(path):
    """The page; its placeholders become names that somebody might have, since --check knows placeholders."""
    with open(os.path.join(base.ROOT, path), encoding="utf-8") as f:
        return f.read().replace("example.com", "corp.test")


def in_markdown(path):
    return re.findall(r"^```ini\n(.*?)^```$", read(path), re.M | re.S)


def in_manual(path):
    """Literal displays that hold a section, as mandoc would print them."""
    found = []
    for block in re.findall(r"^\.Bd -literal[^\n]*\n(.*?)^\.Ed$", read(path), re.M | re.S):
        text = block.replace(r"\(dq", '"').replace(r"\&", "").replace(r"\e", "\\")
        if re.search(r"^\[\w+", text, re.M):
            found.append(text)
    return found


def complaints(answer):
    return [line for line in answer.err.splitlines()
            if re.search(r": (error|warning): ", line) and not EXPECTED.search(line)]


def test_examples_of_documents(t):
    """README, guide, recipes and manual pages: each example is accepted, by itself or as a drop-in of the README's."""
    daemon = t.rosterd()
    main = in_markdown(MAIN)
    need(len(main) == 1, "the README has one configuration", main)
    pages = [MAIN] + sorted(os.path.join(FOLDER, name) for name in os.listdir(os.path.join(base.ROOT, FOLDER))
                            if name.endswith(".md"))
    examples = [(page, text) for page in pages for text in in_markdown(page)]
    examples += [(page, text) for page in MANUALS for text in in_manual(page)]
    need(len(examples) >= 10, "the examples are found", [page for page, _ in examples])
    drop_in = daemon.path("conf.d/10-example.conf")
    os.makedirs(os.path.dirname(drop_in))
    failures = []
    for page, text in examples:
        whole = re.search(r"^uri\s*=", text, re.M) and re.search(r"^client_id\s*=", text, re.M)
        daemon.write_raw_config(text if whole else main[0])
        base.write_file(drop_in, "# nothing\n" if whole else text, 0o640)
        answer = daemon.check(code=None)
        found = complaints(answer)
        if answer.code != 0 or found:
            failures.append("%s, exit %d\n%s\n%s" % (page, answer.code, answer.err, text))
    need(not failures, "every example is taken", "\n\n".join(failures))
    # The oracle is awake: an example with a mistake is not taken.
    base.write_file(drop_in, "[user]\nlogin = ${uid}\n", 0o640)
    need(complaints(daemon.check(code=2)), "a mistake is found")


# --- commands ---

# What is no command of ours to try: packages are installed by tests/package/run, an editor is a person's.
NOT_HERE = re.compile(r"^(scripts/package|\$EDITOR|systemctl enable --now rosterd@north)")


def without_roff(text):
    return text.replace(r"\(dq", '"').replace(r"\&", "").replace(r"\e", "\\")


def blocks_of_manual(path):
    """Literal displays and one-line displays of EXAMPLES, without configurations and cases."""
    part = re.search(r"^\.S[hH] EXAMPLES$(.*?)(?=^\.S[hH] |\Z)", read_raw(path), re.M | re.S).group(1)
    found = re.findall(r"^\.Bd -literal[^\n]*\n(.*?)^\.Ed$", part, re.M | re.S) + re.findall(r"^\.Dl (.*)$", part, re.M)
    return [without_roff(text) for text in found if not re.search(r"^(\[|dn: )", text, re.M)]


def blocks_of_readme():
    return [re.sub(r"(?m)^    |\s+#.*$", "", block) for block in re.findall(r"(?:^    .+\n)+", read_raw(MAIN), re.M)]


def read_raw(path):
    with open(os.path.join(base.ROOT, path), encoding="utf-8") as f:
        return f.read()


def lines_of(block):
    return [line for line in block.replace("\\\n", " ").splitlines() if line.strip()]


class Host:
    """The host of the examples: /etc/rosterd, its service and its programs, in the test's folder."""

    def __init__(self, t):
        self.t = t
        ground = t.shared(Slapd).fresh()
        ground.persons(["ada", "bob"])
        self.group = ground.group("cc-support", ["ada", "bob"])
        tenant = t.simulator(teams="Sales")
        rules = {"Agents": {"group": self.group, "team": "Customer Service", "roles": "Supervisor"}}
        self.d = life.daemon(t, ground, tenant, rules, guard={"privileged_roles": "Supervisor", "max_privileged": "0"})
        self.d.start()
        wait_for(lambda: len(life.operations(self.d, state=life.PARKED)) == 2, 20, "both wait for approval")
        life.settled(self.d)
        self.new = t.path("new.conf")
        with open(self.d.config_file, encoding="utf-8") as text:
            base.write_file(self.new, text.read(), 0o600)
        self.key = t.write("audit.pub", self.d.ctl("audit", "key").out, 0o600)
        self.cases = t.path("cases")
        os.mkdir(self.cases)
        base.write_file(os.path.join(self.cases, "ada.case"), self.d.ctl("explain", "--case", "ada").out, 0o644)
        self.folder = t.path("bin")
        os.mkdir(self.folder)
        self.program("rosterctl", 'exec %s --config %s --socket %s "$@"' % (base.built("rosterctl"), self.d.config_file, self.d.socket))
        self.program("rosterd", 'case " $* " in *" --config "*) exec %s "$@";; *) exec %s -c %s "$@";; esac'
                     % (base.built("rosterd"), base.built("rosterd"), self.d.config_file))
        self.program("rosterd-simulator", 'exec %s "$@"' % base.built("tests/simulator/tenant-simulator"))
        self.port = base.free_port()

    def program(self, name, text):
        base.write_file(os.path.join(self.folder, name), "#!/bin/sh\n%s\n" % text, 0o755)

    def here(self, line):
        """The example's names become those of this host."""
        found = json.loads(self.d.ctl("plan", "--json", code=None).out)["hash"] if "approve" in line else ""
        for name, value in (("/root/rosterd.conf.new", self.new), ("--config new.conf", "--config " + self.new),
                            ("/etc/rosterd/rosterd.conf", self.d.config_file), ("/etc/rosterd/cases", self.cases),
                            ("/root/audit.pub", self.key), ("/var/log/rosterd/audit.jsonl", self.d.audit_file),
                            ("/etc/rosterd/", self.t.folder + "/"), ("-o rosterd -g rosterd", "-o root -g root"), ("-g rosterd", "-g root"),
                            ("--reuid rosterd --regid rosterd --init-groups ", ""), ("cn=support,ou=groups,dc=example,dc=com", self.group),
                            ("6f1c0e0d", (found or "")[:8]), ("8443", str(self.port))):
            line = line.replace(name, value)
        return line

    def run(self, line):
        """Exit code and output; the service manager's part is played."""
        service = re.match(r"systemctl (stop|start|reload) rosterd$", line)
        if service:
            {"stop": self.d.stop, "start": self.start, "reload": lambda: self.d.ctl("reload")}[service.group(1)]()
            return 0, ""
        environment = dict(self.d.environment(), PATH=self.folder + ":" + os.environ["PATH"])
        if line.startswith("rosterd-simulator"):
            background = subprocess.Popen(["sh", "-c", "exec " + line], cwd=self.t.folder, env=environment,
                                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            base.register(background.pid)
            self.t.cleanup(background.kill)
            address = ("127.0.0.1", self.port)
            wait_for(lambda: socket.socket().connect_ex(address) == 0, 20, "it listens")
            return 0, ""
        done = subprocess.run(["sh", "-c", line], cwd=self.t.folder, env=environment, input="secret", stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
        return done.returncode, done.stdout

    def start(self):
        if not self.d.running():
            self.d.start()


# 2 is "changes or problems were found"; a cause that nothing waits for is said to be none.
ENDS = ((r"^rosterctl (plan|check|holds|status)|^rosterd --(check|dry-run)", (0, 2)), (r"^rosterctl retry --cause 'members:", (1,)),
        (r"", (0,)))


@deadline(120)
def test_commands_of_the_pages(t):
    """Each command of the README and of the EXAMPLES of each manual page is run, one after the other, and ends as it should."""
    host = Host(t)
    pages = [(MAIN, block) for block in blocks_of_readme()]
    for name in sorted(os.listdir(os.path.join(base.ROOT, "man"))):
        if re.search(r"\.[58]$", name):
            pages += [("man/" + name, block) for block in blocks_of_manual("man/" + name)]
    pages += [("debian/rosterd-simulator.1", block) for block in blocks_of_manual("debian/rosterd-simulator.1")]
    n, problems = 0, []
    for page, block in pages:
        for line in lines_of(block):
            if NOT_HERE.match(line):
                continue
            n += 1
            if "approve" in line:
                wait_for(lambda: life.operations(host.d, state=life.PARKED), 20, "something waits")
            if line.startswith("rosterctl retry --cause 'team"):
                wait_for(lambda: life.operations(host.d, reason="team-missing"), 20, "the team is missing")
            code, said = host.run(host.here(line))
            codes = next(codes for pattern, codes in ENDS if re.search(pattern, line))
            if code not in codes:
                problems.append("%s: %s\nended with %s, not %s\n%s" % (page, line, code, codes, said[-2000:]))
    need(n >= 30, "the commands are found", n)
    need(not problems, "each ends as it should", "\n\n".join(problems))


def test_commands_that_are_named(t):
    """Whatever page names a command of rosterctl: the verb and its options exist."""
    del t
    shown = base.run([base.built("rosterctl"), "--help"]).stdout
    forms = re.findall(r"^  (\w+)(?: (.*))?$", shown, re.M)
    verbs = {verb for verb, _ in forms}
    general = set(re.findall(r"--[a-z-]+", shown[shown.index("\nOptions:"):]))
    folder = os.path.join(base.ROOT, FOLDER)
    pages = [MAIN, "SECURITY.md", "CHANGELOG.md"] + sorted(os.path.join(FOLDER, name) for name in os.listdir(folder) if name.endswith(".md"))
    n, wrong = 0, []
    for page in pages:
        text = read_raw(page)
        for words in re.findall(r"`(?:sudo )?rosterctl ([^`\n]+)`", text) + re.findall(r"^ *(?:# )?rosterctl ([^\n#|>]+)", text, re.M):
            plain = [word for word in words.split() if not word.startswith("-")]
            verb = next((word for word in plain if word in verbs), None)
            options = set(re.findall(r"(?<![\w-])--[a-z-]+", words))
            n += 1
            if verb is None and not (options and options <= general) and not re.match(r"VERB|\(|-[ci]\b", words):
                wrong.append("%s: rosterctl %s" % (page, words))
            told = [arguments for name, arguments in forms if name == verb]
            if len(told) > 1:  # one of them
                told = [arguments for arguments in told if arguments.split()[0] in plain]
            allowed = general | set(re.findall(r"--[a-z-]+", " ".join(told)))
            wrong += ["%s: rosterctl %s: no %s" % (page, words, option) for option in sorted(options - allowed)]
    need(n > 60, "commands are found", n)
    need(not wrong, "each exists", "\n".join(wrong))
