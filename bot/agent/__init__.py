"""One run as a graph, the model, and the grammar of direct commands."""
