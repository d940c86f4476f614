package board

import "net/http"

// registerHome: the first page is the list of declarations.
func (b *board) registerHome() {
	b.mux.HandleFunc("GET "+Root+"{$}", b.signedIn(b.home))
}

func (b *board) home(w http.ResponseWriter, r *http.Request, v visitor) {
	b.render(w, r, v, "home", nil)
}
