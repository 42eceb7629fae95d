package rule

// The rules about who talks to whom.
const (
	UnknownService  = "unknown-service"
	UnknownPort     = "unknown-port"
	ServiceDisabled = "service-disabled"
	SamePort        = "same-port"
	SameRoute       = "same-route"
	ExposeProtocol  = "expose-protocol"
	NeedsGateway    = "needs-gateway"
	UnknownGateway  = "unknown-gateway"
	NotOfService    = "not-of-service"
	NotOfCall       = "not-of-call"
	PathPattern     = "path-pattern"
	CallUnsaid      = "call-unsaid"
	NodePortRange   = "node-port-range"
)

var networkRules = []Rule{
	{
		Name: UnknownService, Summary: "A service is named that is not there",
		Explanation: "calls, needs, weights, near and apart name services of this App. A call to the outside has a host or cidr, and one to another App says app.",
		Example:     "calls: payment: {host: \"api.example.com\", port: 443}",
		Fields:      []string{"services.calls", "services.needs", "services.expose.weights", "services.placement.near", "services.placement.apart"},
	},
	{
		Name: UnknownPort, Summary: "A port is named that the service does not have",
		Explanation: "Ports are named, so that a number can change in one place. Without a name it is the only port, or the one called http.",
		Example:     "ports: http: 8080",
		Fields:      []string{"services.calls.port", "services.callers.port", "services.expose.port", "services.monitor.port"},
	},
	{
		Name: ServiceDisabled, Summary: "A service is named that is not enabled",
		Explanation: "In this environment it has enabled: false, so nothing would answer.",
		Example:     "services: cache: {\n\tenabled: *true | bool\n\tports: redis: 6379\n}\nif services.cache.enabled {\n\tservices: web: calls: cache: {}\n}",
		Fields:      []string{"services.enabled", "services.calls", "services.needs"},
	},
	{
		Name: SamePort, Summary: "Two ports of a pod have the same name or number",
		Explanation: "A Service has each port once for a protocol, and a pod has each name once, in all its containers.",
		Example:     "ports: admin: {port: 8080, service: 8081}",
		Fields:      []string{"services.ports"},
	},
	{
		Name: SameRoute, Summary: "Two services want the same requests from outside",
		Explanation: "A host and a path lead to one service. Two versions of a service side by side are one route with weights.",
		Example:     "ports: http: 8080\nexpose: public: {\n\thost: \"shop.example.com\"\n\tgateway: {name: \"shared\", namespace: \"infra\"}\n\tweights: {web: 90, \"web-next\": 10}\n}",
		Fields:      []string{"services.expose"},
	},
	{
		Name: NeedsGateway, Summary: "A way in says what only a gateway can do, or only an Ingress",
		Explanation: "An Ingress has hosts, paths and certificates; what else its controller can do are annotations of its own. The Gateway API has words for redirects, weights and headers.",
		Example:     "expose: public: {\n\thost: \"shop.example.com\"\n\tgateway: {name: \"shared\", namespace: \"infra\"}\n\tredirect: https: true\n}",
		Fields:      []string{"services.expose.gateway"},
	},
	{
		Name: UnknownGateway, Summary: "A gateway or listener is named that the App does not have, or that does not take the host",
		Explanation: "gateway: name is one of the App's gateways. One that belongs to somebody else has a namespace beside it.",
		Example:     "gateways: public: {class: \"nginx\", listeners: http: port: 80}",
		Fields:      []string{"services.expose.gateway", "gateways"},
	},
	{
		Name: NotOfService, Summary: "A Service has a field that its type does not have",
		Explanation: "Node ports are of NodePort and LoadBalancer, source ranges of LoadBalancer; a headless Service translates no ports. A Service is made of ports.",
		Example:     "ports: http: 8080\nservice: {type: \"LoadBalancer\", externalTrafficPolicy: \"Local\"}",
		Fields:      []string{"services.service"},
	},
	{
		Name: NodePortRange, Severity: Warning, Silenceable: true, Summary: "A port of every node is outside of the range that clusters have for them",
		Explanation: "An API server gives nodes the ports from 30000 to 32767, unless --service-node-port-range says otherwise. It refuses a Service with another. Silence it when the cluster's range is a different one.",
		Example:     "ports: http: {port: 8080, node: 30080}\nservice: type: \"NodePort\"",
		Fields:      []string{"services.ports.node"},
	},
	{
		Name: NotOfCall, Summary: "A call or a caller has a field that means nothing for it",
		Explanation: "A namespace is of another App; a service of another App needs the App's name.",
		Example:     "calls: invoices: {app: \"billing\", port: 8080}",
		Fields:      []string{"services.calls", "services.callers"},
	},
	{
		Name: PathPattern, Severity: Warning, Silenceable: true, Summary: "A path looks like a pattern",
		Explanation: "An Ingress and an HTTPRoute compare paths character by character: /a/* is for requests of a path with a star. All paths below /a are those of \"/a\".",
		Example:     "expose: public: {host: \"shop.example.com\", path: \"/api\"}\nports: http: 8080",
		Fields:      []string{"services.expose.path", "services.expose.paths"},
	},
	{
		Name: CallUnsaid, Severity: Warning, Silenceable: true, Summary: "A service names another as a host, but does not call it",
		Explanation: "Its command, its arguments or its variables have the other's host name in them, as in \"http://catalog:8080\". The network policies allow what calls says, so the connection would hang. With calls there is the variable CATALOG_URL, too.",
		Example:     "calls: catalog: {}",
		Fields:      []string{"services.calls", "services.env", "services.args", "services.command"},
	},
	{
		Name: ExposeProtocol, Summary: "A port is exposed that does not speak TCP",
		Explanation: "An Ingress and an HTTPRoute carry HTTP. Other protocols get out through a Service of type LoadBalancer or NodePort.",
		Example:     "ports: game: {port: 7777, protocol: \"UDP\"}\nservice: type: \"LoadBalancer\"",
		Fields:      []string{"services.expose.port", "services.ports.protocol"},
	},
}
