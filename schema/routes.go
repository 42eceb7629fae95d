package schema

// Call is something that a service talks to. A service of this app has Service
// set, one of another app App too; the outside has Host or CIDR.
type Call struct {
	Name      string // the key it was written under; its variables are NAME_URL, NAME_HOST and NAME_PORT
	Service   string
	App       string // another app, or this one for a service that another project deploys; "" is this App's own
	Namespace string // with App: the namespace of that app. Default: App, and this App's own namespace for itself
	Host      string // a DNS name outside
	CIDR      string // an address range outside
	Port      int32  // the number to connect to: the Service's, of a service
	Target    string // of a service of this App: the name of its port; "" with App: all ports of its pods
	Scheme    string // of the URL: http, https or tcp
}

// Caller is somebody outside of this App who may connect to a service: pods of a
// namespace, or addresses. Exactly one of App, Namespace and CIDR is the reason.
type Caller struct {
	Name      string // the key it was written under
	App       string // pods of another app
	Service   string // with App: one of its services; "" is all
	Namespace string // with App that app's, default App; alone all pods there
	CIDR      string
	Port      string // a name in ServicePorts; "" is all
}

// Expose makes a service reachable from outside the cluster: an Ingress, or with
// Gateway an HTTPRoute.
type Expose struct {
	Name        string
	Host        string
	Path        string // of the first of Routes
	Port        string // of the first of Routes: the name of the service's port
	Class       string // IngressClass; empty is the cluster's default
	TLS         string // of an Ingress: a Secret of type kubernetes.io/tls; empty has no TLS, or with DefaultTLS the controller's certificate
	DefaultTLS  bool   // of an Ingress: TLS without a Secret
	Annotations map[string]string
	Gateway     *GatewayRef // nil makes an Ingress
	Redirect    *Redirect   // instead of an answer of the service; Routes then say for which paths
	Routes      []Route     // one or more, by path
}

// GatewayRef is the Gateway that an HTTPRoute belongs to.
type GatewayRef struct {
	Name        string
	Namespace   string // "" is the App's, and then Name is one of its Gateways
	SectionName string // a listener; "" is all
}

// Route is what happens to requests for a path. With an Ingress only Path, Exact
// and one Backend are set.
type Route struct {
	Path            string            // default /
	Exact           bool              // only this path, instead of all that begin with it
	Method          string            // GET, POST, …; "" is all
	Headers         map[string]string // that a request must have, exactly; nil is all
	Rewrite         string            // what the path's prefix (with Exact the path) becomes; "" leaves it
	RequestHeaders  Headers
	ResponseHeaders Headers
	Timeout         string    // such as "30s"; "" is the gateway's
	Backends        []Backend // by Service; one or more, unless it is redirected
}

// Backend is a service of this App that answers.
type Backend struct {
	Service string
	Port    string // the name of its port
	Number  int32  // where its Service listens
	Weight  int32  // its share among Backends; 1 when there is only one
}

// Headers are changes to those of a request or a response.
type Headers struct {
	Set, Add map[string]string
	Remove   []string
}

// Redirect answers with another address. Empty fields stay as they are asked.
type Redirect struct {
	Scheme string // http or https
	Host   string
	Path   string // what the whole path becomes
	Port   int32
	Status int32 // 301, 302 (default), 303, 307 or 308
}

// Gateway is one of the App's own.
type Gateway struct {
	Name        string
	Class       string // GatewayClass
	Annotations map[string]string
	Listeners   []Listener // one or more
}

// Listener is a way into a Gateway.
type Listener struct {
	Name     string
	Port     int32
	Protocol string   // HTTP, HTTPS or TLS. Default HTTP, and HTTPS with Secrets
	Host     string   // may begin with *.; "" is all
	Secrets  []string // certificates, of type kubernetes.io/tls; with HTTPS one or more
	From     string   // whose routes it takes: Same (default) or All namespaces
}

// Network says what the App's NetworkPolicies allow beside what its services call
// and expose.
type Network struct {
	Policy       bool   // whether there are any: default true
	DNS          Peer   // the cluster's DNS. Default: pods with k8s-app=kube-dns in kube-system
	NodeLocalDNS string // the address of a node-local DNS. Default 169.254.20.10
	Ingress      *Peer  // who carries requests for what is exposed: the ingress or gateway controller. nil is anybody
	Monitoring   *Peer  // who reads metrics. nil is anybody
	APIServer    string // a range of addresses, for those with Permissions; "" is any
}

// Peer is pods of a namespace.
type Peer struct {
	Namespace string
	Labels    map[string]string // nil is all pods
}
