"""pipeline.yaml: YAML with line numbers in, checked structs out."""
