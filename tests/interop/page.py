"""The tables of docs/compared-with.md, written from the results of a run.

Between the lines <!-- torch:begin --> and <!-- torch:end --> is the part of one package. A run writes the page, with the parts of the
packages that it compared replaced, to BUILD/compared-with.md."""
import importlib.metadata
import json
import re


def cell(text):
    return text.replace("|", "\\|").replace("\n", " ")


def code(rule):
    return f"`{json.dumps(rule, ensure_ascii=False)}`"


def part(package, results):
    """Two tables: the classes, and for each class with refused tensors the rules to add."""
    version = importlib.metadata.version(package).partition("+")[0]  # without "+cpu"
    lines = [f"{package} {version}:", "", "| class | recipe | equal | left out | refused |",
             "|---|---|---|---|---|"]
    for result in results:
        figures = f"{len(result.equal)} | {len(result.left_out)} | {len(result.refused)}"
        lines.append(f"| {cell(result.case.name)} | {result.case.recipe} | {figures} |")
    refusing = [result for result in results if result.refused]
    if refusing:
        lines += ["", "| class | refused | add these rules |", "|---|---|---|"]
    for result in refusing:
        names = ", ".join(f"`{name}`" for name in result.refused)
        lines.append(f"| {cell(result.case.name)} | {names} | {cell(result.case.impossible or '<br>'.join(map(code, result.case.rules)))} |")
    return "\n".join(["", *lines, ""])


def rewritten(page, results):
    """The text of the page with the parts of these results."""
    packages = list(dict.fromkeys(result.case.package for result in results))
    for package in packages:
        text = part(package, [result for result in results if result.case.package == package])
        marked = re.compile(f"(<!-- {package}:begin -->\n).*?(<!-- {package}:end -->)", re.DOTALL)
        page, count = marked.subn(lambda match: match[1] + text + match[2], page)
        assert count == 1, f"docs/compared-with.md has no part for {package}"
    return page
