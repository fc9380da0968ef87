"""What the pages do, for programs: REST at /api/v1/, described at /api/v1/schema/ and /api/v1/docs/."""
