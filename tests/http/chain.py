"""The chain of the ledger's lines, once more: the link of a line as SPEC.md says it, from the line as it is printed."""
import hashlib


def counted(text):
    return f"{len(text.encode())}:{text}"


def canonical(line, previous):
    """The text whose hash is the line's link."""
    text = f"sower ledger line\nprevious={previous}\n"
    text += "".join(f"{key}={line[key]}\n" for key in ["writer", "sequence", "ledger", "time", "kind", "root"])
    text += f"experiment={counted(line['experiment'])}\n"
    if line["kind"] == "draw":
        text += f"trial={line['trial']}\nname={counted(line['name'])}\n"
        text += "".join(f"{key}={line[key]}\n" for key in ["draw", "seed", "spec"])
        text += f"shape={','.join(map(str, line['shape']))}\n"
        text += "".join(f"{key}={line[key]}\n" for key in ["dtype", "init", "layout"])
        text += f"manifest={line.get('manifest', '')}\ndrift={line.get('drift', 0)}\n"
    elif line["kind"] == "trials":
        text += f"trial={line['trial']}\ncount={line['count']}\nkey={counted(line.get('key', ''))}\n"
    else:
        assert line["kind"] in ("pin", "unpin"), line
    return text


class Chains:
    """Checks lines as they come: numbered without gaps, each linked to the one before of its writer, and marked where they drift."""

    def __init__(self):
        self.count = 0
        self.heads = {}  # of each writer: sequence, link
        self.first = {}  # of each seed: its first line
        self.draws = set()

    def add(self, line):
        assert line["ledger"] == self.count + 1, line
        sequence, link = self.heads.get(line["writer"], (0, "0" * 64))
        assert line["sequence"] == sequence + 1, line
        assert line["link"] == hashlib.blake2b(canonical(line, link).encode(), digest_size=32).hexdigest(), line
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
