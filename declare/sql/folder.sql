SELECT archive FROM agency_folder WHERE agency = $1 AND digest = $2
