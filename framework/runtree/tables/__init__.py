"""Reading tables: files, values as numbers, dates and texts, declared types, and the columns with a role."""
