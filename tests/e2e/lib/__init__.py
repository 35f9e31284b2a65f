"""What end-to-end tests stand on; see tests/e2e/README.md."""

from .base import (Failure, Hopeless, Missing, deadline, need, wait_for)
from .ldapserver import ScriptedServer
from .ldif import entry_ldif, parse_ldif
from .rosterd import Lines, Rosterd
from .servers import Ds389, SambaAD, Slapd
from .simulator import Simulator

__all__ = ["Ds389", "Failure", "Hopeless", "Lines", "Missing", "Rosterd", "SambaAD", "ScriptedServer", "Simulator",
           "Slapd", "deadline", "entry_ldif", "need", "parse_ldif", "wait_for"]
