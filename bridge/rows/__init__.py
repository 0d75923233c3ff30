"""Records as typed rows: schemas, values, columns and batches."""
