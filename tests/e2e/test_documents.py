"""What the documents show is taken: every example of a configuration goes through rosterd --check."""

import os
import re

from lib import base, need

MAIN = "README.md"
MANUALS = ("man/rosterd.conf.5", "man/rosterd-rules.5")
FOLDER = "docs"
# Nothing is wrong with an example for lack of its files.
EXPECTED = re.compile(r"No such file|does not exist|cannot open")


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
