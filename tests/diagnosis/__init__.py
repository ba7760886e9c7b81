"""Generated states that judge `k8s_diagnose`: faults, decoys and healthy namespaces.

Written from what API servers, kubelets, schedulers and controllers store, without a look at the
analyzers. `python -m tests.diagnosis` prints how well they are judged.
"""
