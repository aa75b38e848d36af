"""The supplement: its parts as data, and the same content as PDF, Word document and workbook."""
