"""Between a wish and a deed: policy, calls and decisions, execution, masking, budgets, audit."""
