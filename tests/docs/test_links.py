"""Links between the pages of the documentation lead somewhere, and the pages of rules and codes are linked to: each of a
rule from the table in docs/audit.md, in its order and with its name and level.

usage: test_links.py SOURCE_DIR

SPDX-License-Identifier: MIT
"""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
problems = []


def anchors(text):
    """Of headings, as GitHub makes them."""
    plain = (re.sub(r"[^\w\- ]", "", line.lower()) for line in re.findall(r"^#+ (.*)$", text, re.MULTILINE))
    return {line.replace(" ", "-") for line in plain}


def prose(path):
    return re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)


embedded = [*sorted(root.glob("audit/rules/*.md")), *sorted(root.glob("cli/codes/*.md")), root / "manifests/codes.md"]
pages = [*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("samples/**/*.md"), root / "python/README.md", *embedded]
linked = set()
for page in pages:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        found = (page.parent / file).resolve() if file else page
        linked.add(found)
        if not found.exists():
            problems.append(f"{page.relative_to(root)}: there is no {file}")
        elif anchor and anchor not in anchors(prose(found)):
            problems.append(f"{page.relative_to(root)}: {found.name} has no heading for #{anchor}")
problems += [f"no page links to {page.relative_to(root)}" for page in embedded if page.resolve() not in linked]

rows = re.findall(r"^\| \[(IL\d+)\]\(\.\./audit/rules/([^)]*)\) `([^`]*)` \| (.*?) \|", (root / "docs/audit.md").read_text(),
                  re.MULTILINE)
expected = []
for page in root.glob("audit/rules/*.md"):
    rule, name, level = re.match(r"# (\w+) ([\w-]+): .*\n\nLevel: (\w+)\n", page.read_text()).groups()
    expected.append((rule, page.name, name, level))
# A rule whose findings have several levels names the others behind that of its page.
rows = [(rule, file, name, level.split(" or ")[0]) for rule, file, name, level in rows]
if rows != sorted(expected):
    problems.append(f"docs/audit.md has other rules than the pages: {sorted(set(rows) ^ set(expected))}")

print(f"{len(pages)} pages, {len(expected)} rules")
if problems:
    sys.exit("\n".join(problems))
