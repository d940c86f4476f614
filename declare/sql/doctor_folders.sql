-- The versions of agencies that were in use once and are not among $1.
SELECT agency, digest, version, loaded_at FROM agency_folder WHERE digest <> ALL ($1::text[]) ORDER BY agency, loaded_at
