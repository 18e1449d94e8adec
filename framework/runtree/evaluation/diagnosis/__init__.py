"""Diagnosis of a scored model: reports on its errors, and findings that say what to do about them."""
