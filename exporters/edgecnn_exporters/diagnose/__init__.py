"""Diagnosis of an artefact that differs: the culprit node, its cause, a reproduction."""
