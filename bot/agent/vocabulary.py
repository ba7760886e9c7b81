"""The words that the grammar of direct commands knows: kinds, and what only belongs to talk."""

# Any kind can be named in full (`certificates.cert-manager.io`); these also by one word. A longer
# list of single words would take "get lost" for a command.
_KINDS_IN_WORDS = """
pod pods po deployment deployments deploy statefulset statefulsets sts daemonset daemonsets ds
replicaset replicasets rs replicationcontroller replicationcontrollers rc job jobs cronjob
cronjobs cj service services svc endpoints ep endpointslice endpointslices ingress ingresses ing
configmap configmaps cm secret secrets node nodes no namespace namespaces ns event events ev
persistentvolume persistentvolumes pv persistentvolumeclaim persistentvolumeclaims pvc
storageclass storageclasses sc serviceaccount serviceaccounts sa role roles rolebinding
rolebindings clusterrole clusterroles clusterrolebinding clusterrolebindings
horizontalpodautoscaler horizontalpodautoscalers hpa poddisruptionbudget poddisruptionbudgets
pdb networkpolicy networkpolicies netpol limitrange limitranges limits resourcequota
resourcequotas quota priorityclass priorityclasses pc customresourcedefinition
customresourcedefinitions crd crds lease leases rollout rollouts
"""
# Objects of these lie in no namespace.
_OF_NONE_IN_WORDS = """
node nodes no namespace namespaces ns persistentvolume persistentvolumes pv storageclass
storageclasses sc clusterrole clusterroles clusterrolebinding clusterrolebindings priorityclass
priorityclasses pc customresourcedefinition customresourcedefinitions crd crds
"""
OF_NO_NAMESPACE = frozenset(_OF_NONE_IN_WORDS.split())
KINDS = tuple(_KINDS_IN_WORDS.split())
_WHOLE = 4  # letters of a word that is no abbreviation

# Words that end or go on a sentence; an object with such a name is written <kind>/<name>.
_TALK_IN_WORDS = """
a again all and are as asap at be been before better but by can crash crashed crashes crashing did
do does done down error errors explain fail failed failing fails failure failures fast first for
forever from get gone good had has have help here how i if in instead is issue issues it later
like lost maybe me my need needs never no not nothing now of off ok okay on only or our out please
pls problem problems quick quickly really restart restarted right running screams shit show slow
so something soon still stuff sucks thanks that the their them then there these they this those to
today tomorrow tonight too trouble up us was we were what when where which who why will with
working would wrong yes yesterday you your
"""
TALK = frozenset(_TALK_IN_WORDS.split())


def is_slip(word: str, known: str) -> bool:
    """Whether a word is one slip away from a known one; not of an abbreviation, which is as near to
    words that are meant.
    """
    return len(known) >= _WHOLE and slips(word, known) == 1


def slips(left: str, right: str) -> int:
    """Letters to add, drop, change or swap to come from one word to the other."""
    rows = [list(range(len(right) + 1))]
    for i, a in enumerate(left, start=1):
        row = [i]
        for j, b in enumerate(right, start=1):
            best = min(row[j - 1] + 1, rows[-1][j] + 1, rows[-1][j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                best = min(best, rows[-2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]
