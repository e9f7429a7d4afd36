#!/usr/bin/env python3
"""No circle of files: what a file needs, by includes and by calls, never leads back to it.

usage: circles.py SOURCE_ROOT BUILD_ROOT

Includes are read from the sources, calls and uses of data, from one .c to the other, from the object files.
"""
import pathlib
import re
import sys

import tree

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.M)


def include_edges(root):
    """{(from, to): why}"""
    edges = {}
    for path in tree.sources(root):
        for name in INCLUDE.findall((root / path).read_text()):
            if (root / name).is_file():
                edges[path, name] = f"includes {name}"
    return edges


def call_edges(root, build):
    needs, definer = {}, {}
    for source, file in tree.objects(root, build).items():
        defined, needs[source] = tree.symbols(file)
        definer.update((name, source) for name in defined if name != "main")
    edges = {}
    for source, names in needs.items():
        for name in sorted(names & definer.keys()):
            if definer[name] != source:
                edges[source, definer[name]] = f"uses {name}"
    return edges


def components(graph):
    """Tarjan's strongly connected components, without recursion; those of one node are left out."""
    index, low, stack, found, counter = {}, {}, [], [], 0
    for root in sorted(graph):
        work = [(root, iter(sorted(graph[root])))] if root not in index else []
        while work:
            node, rest = work[-1]
            if node not in index:
                index[node] = low[node] = counter = counter + 1
                stack.append(node)
            child = next((c for c in rest if c not in index or c in stack), None)
            if child is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    at = stack.index(node)
                    if len(stack) - at > 1:
                        found.append(sorted(stack[at:]))
                    del stack[at:]
            elif child in index:
                low[node] = min(low[node], index[child])
            else:
                work.append((child, iter(sorted(graph[child]))))
    return found


def check(root, build):
    edges = include_edges(root)
    edges.update(call_edges(root, build))
    graph = {path: set() for path in tree.sources(root)}
    for left, right in edges:
        graph[left].add(right)
    errors = []
    for circle in components(graph):
        errors.append(f"circle of {len(circle)} files: {' '.join(circle)}")
        errors += [f"    {left} {why}" for (left, right), why in sorted(edges.items())
                   if left in circle and right in circle]
    return errors, len(graph)


def main():
    errors, count = check(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve())
    print("\n".join(errors) or f"{count} files, and no circle among them")
    return bool(errors)


if __name__ == "__main__":
    sys.exit(main())
