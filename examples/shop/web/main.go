// Web is the shop as people see it: one page, made of what the gateway gathers.
package main

import (
	"context"
	_ "embed"
	"html/template"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"example.com/shop/internal/kit"
)

//go:embed page.html
var pageHTML string

// pictures are of the goods, by their IDs, and of what has none.
//
//go:embed pictures.svg
var pictures string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"money": kit.Money,
	"pictures": func() template.HTML {
		return template.HTML(pictures) //nolint:gosec // ours, and the same for everybody
	},
	"picture": func(id string) string {
		if name := "picture-" + id; strings.Contains(pictures, `id="`+name+`"`) {
			return name
		}
		return "picture-parcel"
	},
}).Parse(pageHTML))

func main() {
	kit.Main("web", func(_ context.Context, s *kit.Server) error {
		w := &web{gateway: s.Client("gateway"), banner: os.Getenv("BANNER")}
		w.pod, _ = os.Hostname()
		mux := http.NewServeMux()
		mux.HandleFunc("GET /{$}", func(out http.ResponseWriter, r *http.Request) { w.show(out, r, nil) })
		mux.HandleFunc("POST /signin", w.act(w.signIn))
		mux.HandleFunc("POST /signout", w.act(w.signOut))
		mux.HandleFunc("POST /basket", w.act(w.choose))
		mux.HandleFunc("POST /orders", w.act(w.order))
		// No other site may post these forms in a customer's name.
		s.HandleHTTP("/", http.NewCrossOriginProtection().Handler(mux))
		return nil
	})
}

type web struct {
	gateway     *kit.Client
	banner, pod string
}

// view is what the page is made of.
type view struct {
	Banner, Pod, Problem string
	Customer             string
	Catalog              []item
	Basket               struct{ Lines []line }
	Orders               []order
	Notifications        []struct{ Text string }
	Missing              map[string]string
}

type item struct {
	ID, Name, Description string
	Price                 int
}

type line struct {
	Item, Name string
	Quantity   int
	Price      int
}

type order struct {
	ID, State, Reason string
	Lines             []line
	Total             int
}

// Waiting reports whether the page will soon have changed.
func (v *view) Waiting() bool {
	for _, o := range v.Orders {
		if o.State == "awaiting payment" {
			return true
		}
	}
	return false
}

// Total is the price of the basket.
func (v *view) Total() (cents int) {
	for _, l := range v.Basket.Lines {
		cents += l.Price * l.Quantity
	}
	return cents
}

// show answers with the page, which is there whatever else is not.
func (w *web) show(out http.ResponseWriter, r *http.Request, problem error) {
	v := view{Banner: w.banner, Pod: w.pod}
	if err := w.as(r).Get(r.Context(), "/api/storefront", &v); err != nil {
		v.Missing = map[string]string{"gateway": err.Error()}
	}
	names := map[string]item{}
	for _, it := range v.Catalog {
		names[it.ID] = it
	}
	for i := range v.Basket.Lines {
		l := &v.Basket.Lines[i]
		l.Name, l.Price = names[l.Item].Name, names[l.Item].Price
		if l.Name == "" {
			l.Name = l.Item
		}
	}
	out.Header().Set("Content-Type", "text/html; charset=utf-8")
	out.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'")
	if problem != nil {
		v.Problem = problem.Error()
		out.WriteHeader(max(kit.StatusOf(problem), http.StatusBadRequest))
	}
	if err := page.Execute(out, &v); err != nil {
		kit.Log(r.Context()).Error("the page is cut off", "error", err)
	}
}

// act does what a form asks for, and shows the page again.
func (w *web) act(do func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(out http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(out, r.Body, 1<<16)
		if err := do(out, r); err != nil {
			w.show(out, r, err)
			return
		}
		http.Redirect(out, r, "/", http.StatusSeeOther)
	}
}

func (w *web) signIn(out http.ResponseWriter, r *http.Request) error {
	who := map[string]string{"name": strings.TrimSpace(r.FormValue("name")), "password": r.FormValue("password")}
	if r.FormValue("new") != "" {
		if err := w.gateway.Do(r.Context(), http.MethodPost, "/api/customers", who, nil); err != nil {
			return err
		}
	}
	var signed struct {
		Token   string
		Expires time.Time
	}
	if err := w.gateway.Do(r.Context(), http.MethodPost, "/api/tokens", who, &signed); err != nil {
		return err
	}
	setCookie(out, r, signed.Token, signed.Expires)
	return nil
}

func (w *web) signOut(out http.ResponseWriter, r *http.Request) error {
	setCookie(out, r, "", time.Unix(1, 0))
	return nil
}

func (w *web) choose(_ http.ResponseWriter, r *http.Request) error {
	quantity, err := strconv.Atoi(r.FormValue("quantity"))
	if err != nil {
		return kit.Errorf(http.StatusBadRequest, "how many? %q is not a number", r.FormValue("quantity"))
	}
	path := "/api/basket/" + url.PathEscape(r.FormValue("item"))
	return w.as(r).Do(r.Context(), http.MethodPut, path, map[string]int{"quantity": quantity}, nil)
}

func (w *web) order(_ http.ResponseWriter, r *http.Request) error {
	return w.as(r).Do(r.Context(), http.MethodPost, "/api/orders", nil, nil)
}

const cookieName = "shop"

// as calls the gateway with the token of whoever looks at the page.
func (w *web) as(r *http.Request) *kit.Client {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return w.gateway
	}
	return w.gateway.As(cookie.Value)
}

func setCookie(out http.ResponseWriter, r *http.Request, token string, expires time.Time) {
	http.SetCookie(out, &http.Cookie{
		Name: cookieName, Value: token, Expires: expires, Path: "/",
		HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: r.Header.Get("X-Forwarded-Proto") == "https", // TLS ends at the ingress
	})
}
