"""Checks the chains of a ledger's lines as SPEC.md says."""
from second_implementation.ledger import NO_LINK, link


class Chains:
    """Checks lines in order: numbers without gaps, a link to the previous line of the same writer, and `drift` where a draw drifts."""

    def __init__(self):
        self.count = 0
        self.heads = {}  # {writer: (sequence, link)} of its last line
        self.first = {}  # {seed: number of its first line}
        self.draws = set()

    def add(self, line):
        assert line["ledger"] == self.count + 1, line
        sequence, previous = self.heads.get(line["writer"], (0, NO_LINK))
        assert line["sequence"] == sequence + 1, line
        assert line["link"] == link(line, previous), line
        if line["kind"] == "draw":
            assert line["draw"] not in self.draws, line
            assert line.get("drift") == self.first.get(line["seed"]), line
            self.draws.add(line["draw"])
            self.first.setdefault(line["seed"], line["ledger"])
        self.heads[line["writer"]] = (line["sequence"], line["link"])
        self.count += 1


def check_chains(lines):
    chains = Chains()
    for line in lines:
        chains.add(line)
    return chains
