-- Changes nothing. PostgreSQL refuses it while it is read-only, and cannot do it while it can write nothing.
UPDATE agency_state SET agency = agency WHERE agency = (SELECT min(agency) FROM agency_state)
