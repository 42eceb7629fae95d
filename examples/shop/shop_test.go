// Package shop_test runs the whole shop as processes on loopback ports.
package shop_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"example.com/shop/internal/kit"
)

type order struct {
	ID, State, Reason string
	Total             int
}

func TestShop(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and starts every service")
	}
	s := build(t)
	for _, name := range []string{"store", "identity", "catalog", "basket", "ordering", "payment", "notifications", "gateway", "web"} {
		s.start(name)
	}
	s.run("seed")
	s.run("smoke")

	api := s.client("gateway")
	ada := map[string]string{"name": "ada", "password": "correct horse"}
	var signed struct{ Token string }
	must(t, api.Do(t.Context(), http.MethodPost, "/api/customers", ada, nil))
	must(t, api.Do(t.Context(), http.MethodPost, "/api/tokens", ada, &signed))
	api = api.As(signed.Token)
	s.secrets = append(s.secrets, signed.Token, ada["password"])

	buy := func(t *testing.T, item string) (placed order) {
		t.Helper()
		must(t, api.Do(t.Context(), http.MethodPut, "/api/basket/"+item, map[string]int{"quantity": 2}, nil))
		must(t, api.Do(t.Context(), http.MethodPost, "/api/orders", nil, &placed))
		return placed
	}
	stateOf := func(id string) order {
		var got order
		must(t, api.Get(t.Context(), "/api/orders/"+id, &got))
		return got
	}
	becomes := func(t *testing.T, id, state string) {
		t.Helper()
		eventually(t, "order "+id+" is "+state, func() bool { return stateOf(id).State == state })
	}

	t.Run("an order is paid, and its customer told", func(t *testing.T) {
		placed := buy(t, "mug")
		if placed.Total != 2500 {
			t.Errorf("placed %+v", placed)
		}
		becomes(t, placed.ID, "paid")
		eventually(t, "ada is told", func() bool {
			var notes []struct{ Order, Text string }
			must(t, api.Get(t.Context(), "/api/notifications", &notes))
			return len(notes) == 1 && notes[0].Order == placed.ID && strings.Contains(notes[0].Text, "your order of €25.00 is paid")
		})
		var basket struct{ Lines []any }
		if must(t, api.Get(t.Context(), "/api/basket", &basket)); len(basket.Lines) != 0 {
			t.Errorf("left in the basket: %v", basket.Lines)
		}
	})

	t.Run("one request is the same in every log", func(t *testing.T) {
		ctx := kit.WithRequest(t.Context(), "follow-me")
		must(t, api.Do(ctx, http.MethodPut, "/api/basket/lamp", map[string]int{"quantity": 1}, nil))
		must(t, api.Do(ctx, http.MethodPost, "/api/orders", nil, nil))
		for _, name := range []string{"gateway", "basket", "catalog", "ordering", "payment", "notifications", "store"} {
			eventually(t, "the log of "+name+" has it", func() bool { return strings.Contains(s.log(name), "request=follow-me") })
		}
	})

	t.Run("what the bank declines says why", func(t *testing.T) {
		placed := buy(t, "chair")
		becomes(t, placed.ID, "declined")
		if got := stateOf(placed.ID); got.Reason != "the bank pays at most €1,000.00 at once" {
			t.Errorf("declined because %q", got.Reason)
		}
	})

	t.Run("errors at the door", func(t *testing.T) {
		for _, bad := range []struct {
			by           *kit.Client
			method, path string
			body         any
			status       int
			says         string
		}{
			{api, "POST", "/api/orders", nil, 409, "the basket is empty"},
			{api, "PUT", "/api/basket/unicorn", map[string]int{"quantity": 1}, 404, `we do not sell "unicorn"`},
			{api, "PUT", "/api/basket/..%2Forders", map[string]int{"quantity": 1}, 404, `we do not sell "../orders"`},
			{api, "PUT", "/api/basket/mug", map[string]int{"count": 1}, 400, `the request is not the JSON it should be: json: unknown field "count"`},
			{api, "GET", "/api/orders/nothing", nil, 404, `you have no order "nothing"`},
			{api, "GET", "/api/nothing", nil, 404, "there is no GET /api/nothing here"},
			{api.As(""), "GET", "/api/basket", nil, 401, "sign in first: the token is missing, wrong or too old"},
			{api.As("ada.9999999999.x"), "GET", "/api/basket", nil, 401, "sign in first: the token is missing, wrong or too old"},
		} {
			err := bad.by.Do(t.Context(), bad.method, bad.path, bad.body, nil)
			if kit.StatusOf(err) != bad.status || err.Error() != bad.says {
				t.Errorf("%s %s: %d %v", bad.method, bad.path, kit.StatusOf(err), err)
			}
		}
	})

	jar, err := cookiejar.New(nil)
	must(t, err)
	browser := &http.Client{Jar: jar, Timeout: 10 * time.Second}
	t.Run("the page does it all", func(t *testing.T) {
		post(t, browser, s.urls["web"]+"/signin", url.Values{"name": {"bob"}, "password": {"<b>battery</b>"}, "new": {"yes"}})
		page := post(t, browser, s.urls["web"]+"/basket", url.Values{"item": {"kettle"}, "quantity": {"2"}})
		contains(t, page, "Enamel mug", "2 × Kettle", "€128.00", "€1,200.00", "#picture-mug", "bob")
		page = post(t, browser, s.urls["web"]+"/basket", url.Values{"item": {"kettle"}, "quantity": {"many"}})
		contains(t, page, "how many? &#34;many&#34; is not a number")
		page = post(t, browser, s.urls["web"]+"/orders", nil)
		contains(t, page, "2 × Kettle", "It is empty.")
		eventually(t, "the page says that it is paid", func() bool {
			page := get(t, browser, s.urls["web"])
			return strings.Contains(page, "<strong>paid</strong>") && strings.Contains(page, "Dear bob, your order of €128.00 is paid.")
		})
	})

	t.Run("another site cannot post the forms", func(t *testing.T) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.urls["web"]+"/orders", nil)
		must(t, err)
		request.Header.Set("Origin", "https://evil.example")
		answer, err := browser.Do(request)
		must(t, err)
		answer.Body.Close()
		if answer.StatusCode != http.StatusForbidden {
			t.Errorf("status %d", answer.StatusCode)
		}
	})

	t.Run("without the basket the page says so and goes on", func(t *testing.T) {
		s.stop("basket")
		page := get(t, browser, s.urls["web"])
		contains(t, page, "Without basket for now: basket does not answer: connect: connection refused.", "Enamel mug", "2 × Kettle")
		for _, name := range []string{"web", "gateway"} {
			must(t, s.client(name).Get(t.Context(), "/readyz", nil))
		}
		err := api.Get(t.Context(), "/api/basket", nil)
		if kit.StatusOf(err) != http.StatusServiceUnavailable || !strings.Contains(err.Error(), "basket does not answer") {
			t.Errorf("the API says %v", err)
		}
		s.start("basket")
	})

	t.Run("orders are taken while payment is away", func(t *testing.T) {
		s.kill("payment")
		placed := buy(t, "notebook")
		if got := stateOf(placed.ID); got.State != "awaiting payment" {
			t.Errorf("the order is %+v", got)
		}
		s.start("payment")
		becomes(t, placed.ID, "paid")
	})

	t.Run("a store that is killed has lost nothing", func(t *testing.T) {
		s.kill("payment")
		placed := buy(t, "mug")
		s.kill("store")
		if err := s.client("ordering").Get(t.Context(), "/readyz", nil); kit.StatusOf(err) != http.StatusServiceUnavailable || !strings.Contains(err.Error(), "store does not answer") {
			t.Errorf("ordering without its store is ready: %v", err)
		}
		must(t, s.client("ordering").Get(t.Context(), "/livez", nil))
		contains(t, get(t, browser, s.urls["web"]), "Without catalog for now")
		s.start("store")
		s.start("payment")
		if got := stateOf(placed.ID); got.Total != placed.Total {
			t.Errorf("the order is %+v", got)
		}
		becomes(t, placed.ID, "paid")
	})

	t.Run("no log tells a secret", func(t *testing.T) {
		for name := range s.urls {
			for _, secret := range s.secrets {
				if strings.Contains(s.log(name), secret) {
					t.Errorf("the log of %s has %q", name, secret)
				}
			}
		}
	})

	t.Run("all stop in good order", func(*testing.T) {
		for name := range s.urls {
			s.stop(name)
		}
	})
}

func TestBroken(t *testing.T) {
	if testing.Short() {
		t.Skip("builds every service")
	}
	s := build(t)
	for want, env := range map[string][]string{
		"fatal: no license": {"SHOP_BREAK=crash: no license", "GATEWAY_URL=http://gateway"},
		"fatal: not set in the environment: GATEWAY_URL": nil,
	} {
		output, err := s.command("web", env...).CombinedOutput()
		if err == nil || strings.TrimSpace(string(output)) != want {
			t.Errorf("%v: %v, %s", env, err, output)
		}
	}
}

func post(t *testing.T, browser *http.Client, to string, form url.Values) string {
	t.Helper()
	answer, err := browser.PostForm(to, form)
	must(t, err)
	return read(t, answer)
}

func get(t *testing.T, browser *http.Client, from string) string {
	t.Helper()
	answer, err := browser.Get(from)
	must(t, err)
	return read(t, answer)
}

func read(t *testing.T, answer *http.Response) string {
	t.Helper()
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	must(t, err)
	return string(body)
}

func contains(t *testing.T, page string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
