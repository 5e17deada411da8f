"""A small task with a library: makes a graph, sets an attribute of a node, and reads it back."""


def task(number):
    """The attribute as it was read, and how many edges the graph has."""
    import networkx as nx

    graph = nx.path_graph(3)
    graph.nodes[1]["number"] = number
    return graph.nodes[1]["number"], graph.number_of_edges()
