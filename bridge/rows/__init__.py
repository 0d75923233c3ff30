"""Records as typed rows: schemas, values, arrays of Arrow and batches."""
