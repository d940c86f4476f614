SELECT agency FROM agency_credential WHERE hash = $1 AND revoked_at IS NULL
