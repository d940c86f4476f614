package declare

import "testing"

func TestTheAddressOfTheTestWorld(t *testing.T) {
	for given, want := range map[string]string{
		"postgres://u:p%40@/singlewindow?host=%2Ftmp%2Fsw&port=5432": "postgres://u:p%40@/singlewindow?host=%2Ftmp%2Fsw&port=5432&search_path=test",
		"postgresql://db/sw?search_path=mine":                        "postgresql://db/sw?search_path=test",
		"host=db dbname=sw":                                          "host=db dbname=sw search_path=test",
	} {
		if got, err := inTestWorld(given); err != nil || got != want {
			t.Errorf("%s: %s %v", given, got, err)
		}
	}
	if _, err := inTestWorld("postgres://%zz:secret@db/sw"); err == nil || err.Error() != "database url: it cannot be read" {
		t.Errorf("%v", err)
	}
}
