"""Label trees made by hand."""

from ner11.schema import Node


def node(name, *children, active=False):
    made = Node(name, "d", ["a", "b"], [], active, 1, None)
    for child in children:
        child.parent = made
    made.children = list(children)
    return made
