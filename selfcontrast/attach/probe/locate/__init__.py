"""Where a comparison lies in a trace: its inputs, features, prototypes, logits and masks."""
