"""Diagnosis of a scored model: reports on its errors, and findings with advice."""
