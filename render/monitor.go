package render

import (
	"cmp"
	"slices"

	"github.com/shipit-dev/shipit/schema"
)

// monitors tell Prometheus' operator where the service's metrics are. A
// ServiceMonitor finds Services by their labels, and would find the two of a
// StatefulSet and ask every pod twice: it gets a PodMonitor, as what has no
// Service does.
func (s *service) monitors() ([]any, error) {
	if s.Monitor == nil || s.app.Monitoring != schema.Operator {
		return nil, nil
	}
	port, err := s.monitorPort()
	if err != nil {
		return nil, err
	}
	endpoint := map[string]any{"port": port.Name, "path": s.monitorPath()}
	if s.Monitor.Interval != "" {
		endpoint["interval"] = s.Monitor.Interval
	}
	kind, list := "ServiceMonitor", "endpoints"
	if s.Workload == schema.StatefulSet {
		kind, list = "PodMonitor", "podMetricsEndpoints"
	}
	return []any{s.custom("monitoring.coreos.com/v1", kind, s.Name, nil, map[string]any{
		"selector": map[string]any{"matchLabels": anyMap(s.selector)},
		list:       []any{endpoint},
	})}, nil
}

// monitorPort is the port with the metrics: the one called so, unless it is said.
func (s *service) monitorPort() (schema.Port, error) {
	ports, name := s.ServicePorts(), s.Monitor.Port
	if name == "" && slices.ContainsFunc(ports, func(p schema.Port) bool { return p.Name == "metrics" }) {
		name = "metrics"
	}
	port, err := portNamed(ports, name, "http")
	if err != nil {
		return port, s.wrong("monitor.port", err)
	}
	return port, nil
}

func (s *service) monitorPath() string { return cmp.Or(s.Monitor.Path, "/metrics") }
