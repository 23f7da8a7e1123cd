"""TFRecord files in the study's form: read, checked, imported as datasets, and written."""
