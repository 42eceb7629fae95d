package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/remotecommand"

	"github.com/shipit-dev/shipit/sandbox/internal/image"
)

// cluster is what a user has in hands: the kubeconfig and the registry that the program prints.
type cluster struct {
	*kubernetes.Clientset
	config   *rest.Config
	registry string
	password string // of who may push
}

func connect(t *testing.T, name string) cluster {
	t.Helper()
	config, err := clientcmd.RESTConfigFromKubeConfig([]byte(must(t, "kubeconfig", name)))
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return cluster{Clientset: client, config: config, registry: strings.TrimSpace(must(t, "registry", name)), password: password(t, name)}
}

// probe is the program that the tests' pods run, compiled once.
var probe = sync.OnceValues(func() ([]byte, error) {
	out := filepath.Join(base, "probe")
	cmd := exec.Command("go", "build", "-o", out, "./testdata/probe")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, output)
	}
	return os.ReadFile(out)
})

// pushProbe pushes from the host, as a user does.
func (c cluster) pushProbe(t *testing.T) string {
	t.Helper()
	ref, err := c.push(t)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func (c cluster) push(t *testing.T) (string, error) {
	t.Helper()
	program, err := probe()
	if err != nil {
		t.Fatal(err)
	}
	img := image.Image{Arch: runtime.GOARCH, Program: program, User: "65532:65532"}
	digest, err := image.Registry{Client: http.DefaultClient, Host: c.registry, User: "shipit", Password: c.password}.Push(t.Context(), "e2e/probe", "1", img)
	return c.registry + "/e2e/probe@" + digest, err
}

// createProbe makes a claim, a pod without root that mounts it on /data, and a Service, all called name.
func (c cluster) createProbe(t *testing.T, name string) {
	t.Helper()
	meta := metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": name}}
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: meta, Spec: corev1.PersistentVolumeClaimSpec{
		AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
		Resources: corev1.VolumeResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Mi")},
		},
	}}
	if _, err := c.CoreV1().PersistentVolumeClaims("default").Create(t.Context(), claim, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	service := &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{
		Selector: meta.Labels,
		Ports:    []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}},
	}}
	if _, err := c.CoreV1().Services("default").Create(t.Context(), service, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	nonRoot := true
	pod := &corev1.Pod{ObjectMeta: meta, Spec: corev1.PodSpec{
		SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: &nonRoot},
		Containers: []corev1.Container{{
			Name: "probe", Image: c.pushProbe(t),
			ReadinessProbe: &corev1.Probe{
				PeriodSeconds: 1,
				ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Port: intstr.FromInt32(8080)}},
			},
			Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{"cpu": resource.MustParse("10m"), "ephemeral-storage": resource.MustParse("1Mi")},
				Limits:   corev1.ResourceList{"memory": resource.MustParse("64Mi")},
			},
			VolumeMounts: []corev1.VolumeMount{{Name: "data", MountPath: "/data"}},
		}},
		Volumes: []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name},
		}}},
	}}
	if _, err := c.CoreV1().Pods("default").Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	c.awaitPod(t, name, podReady)
}

func podReady(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// awaitPod watches a pod until it is as wanted.
func (c cluster) awaitPod(t *testing.T, name string, wanted func(*corev1.Pod) bool) *corev1.Pod {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	watch, err := c.CoreV1().Pods("default").Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()
	var last *corev1.Pod
	for event := range watch.ResultChan() { // begins with what there is
		if pod, ok := event.Object.(*corev1.Pod); ok {
			if last = pod; wanted(pod) {
				return pod
			}
		}
	}
	if last != nil {
		t.Fatalf("pod %s is not as wanted: %+v", name, last.Status)
	}
	t.Fatalf("pod %s did not appear", name)
	return nil
}

// exec runs the probe in its pod and returns what it printed.
func (c cluster) exec(t *testing.T, pod string, args ...string) (string, error) {
	t.Helper()
	request := c.CoreV1().RESTClient().Post().Resource("pods").Namespace("default").Name(pod).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{
			Command: append([]string{"/program"}, args...), Stdout: true, Stderr: true,
		}, scheme.ParameterCodec)
	executor, err := remotecommand.NewSPDYExecutor(c.config, http.MethodPost, request.URL())
	if err != nil {
		return "", err
	}
	var stdout, stderr bytes.Buffer
	err = executor.StreamWithContext(t.Context(), remotecommand.StreamOptions{Stdout: &stdout, Stderr: &stderr})
	if err != nil {
		err = fmt.Errorf("%w: %s", err, stderr.String())
	}
	return stdout.String(), err
}

func (c cluster) mustExec(t *testing.T, pod string, args ...string) string {
	t.Helper()
	out, err := c.exec(t, pod, args...)
	if err != nil {
		t.Fatalf("in pod %s: %v: %v", pod, args, err)
	}
	return out
}

func get(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// password is what login prints for who pushes.
func password(t *testing.T, name string) string {
	t.Helper()
	var config struct {
		Auths map[string]struct{ Auth []byte }
	}
	if err := json.Unmarshal([]byte(must(t, "login", name)), &config); err != nil {
		t.Fatal(err)
	}
	for _, a := range config.Auths {
		_, password, _ := strings.Cut(string(a.Auth), ":")
		return password
	}
	t.Fatal("login prints no credentials")
	return ""
}
