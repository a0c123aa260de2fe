"""`python -m bridge --url URL --token-file F --agent NAME --run RUN_ID --state-folder DIR`: started by an agent CLI."""

import sys

from bridge.relay import Patience, Place, Relay

_NEEDED = ("url", "token-file", "agent", "run", "state-folder")
_USAGE = """usage: python -m bridge --url URL --token-file FILE --agent NAME --run RUN_ID --state-folder DIR

Relays MCP lines between an agent CLI (stdin, stdout) and a Bullpen server. An agent CLI starts it by its MCP
configuration; `bullpen up` writes that. Optional: --menu-patience S, --call-patience S.
"""


def main(arguments: list[str]) -> None:
    """Relay until stdin ends. Exits 2 for wrong arguments."""
    given: dict[str, str] = {}
    for name, value in zip(arguments[::2], arguments[1::2], strict=False):
        given[name.removeprefix("--")] = value
    missing = [name for name in _NEEDED if not given.get(name)]
    strange = sorted(given.keys() - {*_NEEDED, "menu-patience", "call-patience"})
    if missing or strange or len(arguments) % 2:
        wrong = f"missing: --{missing[0]}" if missing else f"unknown: {strange[0] if strange else arguments[-1]}"
        sys.stderr.write(f"{_USAGE}\n{wrong}\n")
        raise SystemExit(2)
    patience = Patience()
    try:
        patience.menu_s = float(given.get("menu-patience", patience.menu_s))
        patience.call_s = float(given.get("call-patience", patience.call_s))
        place = Place(given["url"], given["token-file"], given["agent"], given["run"], given["state-folder"])
        relay = Relay(place, patience)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None
    relay.run()


if __name__ == "__main__":
    main(sys.argv[1:])
