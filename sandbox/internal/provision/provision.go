// Package provision makes volumes for claims on a single node: a claim of the sandbox's storage class gets a folder, and a
// volume of type local that points at it. Unlike Kubernetes' own hostpath provisioner, it makes folders that a pod without
// root may write to, and it puts them where they are told to be.
package provision

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

// Name is the provisioner of the storage class that this package serves.
const Name = "sandbox.shipit.dev/folder"

// Annotations by which Kubernetes and a provisioner find each other (storage-class documentation, "external provisioners").
const (
	wantsProvisioner = "volume.kubernetes.io/storage-provisioner"
	provisionedBy    = "pv.kubernetes.io/provisioned-by"
)

// Provisioner serves one node.
type Provisioner struct {
	client  kubernetes.Interface
	node    string
	dir     string
	log     io.Writer
	factory informers.SharedInformerFactory
	queue   workqueue.TypedRateLimitingInterface[request]
}

// request names an object to look at again.
type request struct {
	volume bool // a PersistentVolume; else a PersistentVolumeClaim
	key    string
}

// New returns a provisioner that makes folders below dir, which must be the same path for it and for the node's kubelet.
func New(client kubernetes.Interface, node, dir string, log io.Writer) *Provisioner {
	return &Provisioner{
		client: client, node: node, dir: dir, log: log,
		factory: informers.NewSharedInformerFactory(client, 0),
		queue:   workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[request]()),
	}
}

// Run serves until the context ends. It calls ready when it has seen what there is.
func (p *Provisioner) Run(ctx context.Context, ready func()) error {
	for volume, informer := range map[bool]cache.SharedIndexInformer{
		false: p.factory.Core().V1().PersistentVolumeClaims().Informer(),
		true:  p.factory.Core().V1().PersistentVolumes().Informer(),
	} {
		if _, err := informer.AddEventHandler(p.enqueue(volume)); err != nil {
			return err
		}
	}
	p.factory.Start(ctx.Done())
	defer p.factory.Shutdown()
	for kind, synced := range p.factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return fmt.Errorf("watching %s: %w", kind, ctx.Err())
		}
	}
	ready()
	stop := context.AfterFunc(ctx, p.queue.ShutDown)
	defer stop()
	for {
		item, over := p.queue.Get()
		if over {
			return nil
		}
		if err := p.serve(ctx, item); err != nil {
			fmt.Fprintf(p.log, "provisioner: %s: %v\n", item.key, err)
			p.queue.AddRateLimited(item)
		} else {
			p.queue.Forget(item)
		}
		p.queue.Done(item)
	}
}

func (p *Provisioner) enqueue(volume bool) cache.ResourceEventHandler {
	add := func(object any) {
		if key, err := cache.MetaNamespaceKeyFunc(object); err == nil {
			p.queue.Add(request{volume: volume, key: key})
		}
	}
	return cache.ResourceEventHandlerFuncs{AddFunc: add, UpdateFunc: func(_, object any) { add(object) }}
}

func (p *Provisioner) serve(ctx context.Context, item request) error {
	namespace, name, err := cache.SplitMetaNamespaceKey(item.key)
	if err != nil {
		return err
	}
	if item.volume {
		volume, err := p.factory.Core().V1().PersistentVolumes().Lister().Get(name)
		if err != nil {
			return ignoreNotFound(err)
		}
		return p.release(ctx, volume)
	}
	claim, err := p.factory.Core().V1().PersistentVolumeClaims().Lister().PersistentVolumeClaims(namespace).Get(name)
	if err != nil {
		return ignoreNotFound(err)
	}
	return p.provide(ctx, claim)
}

// provide makes a volume for a claim that waits for one.
func (p *Provisioner) provide(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	if claim.Annotations[wantsProvisioner] != Name || claim.Spec.VolumeName != "" || claim.DeletionTimestamp != nil {
		return nil
	}
	if mode := claim.Spec.VolumeMode; mode != nil && *mode == corev1.PersistentVolumeBlock {
		return fmt.Errorf("claim %s/%s wants a block device; the sandbox has folders only", claim.Namespace, claim.Name)
	}
	class, err := p.client.StorageV1().StorageClasses().Get(ctx, *claim.Spec.StorageClassName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	folder := filepath.Join(p.dir, strings.Join([]string{claim.Namespace, claim.Name, string(claim.UID)}, "_"))
	if err := makeWritable(folder); err != nil {
		return err
	}
	volume := p.volume(claim, folder)
	if class.ReclaimPolicy != nil {
		volume.Spec.PersistentVolumeReclaimPolicy = *class.ReclaimPolicy
	}
	_, err = p.client.CoreV1().PersistentVolumes().Create(ctx, volume, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil // made by an earlier try; the claim is being bound to it
	}
	return err
}

// makeWritable makes a folder for any user, whatever this process's umask.
func makeWritable(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	return os.Chmod(folder, 0o777)
}

func (p *Provisioner) volume(claim *corev1.PersistentVolumeClaim, folder string) *corev1.PersistentVolume {
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{
			Name:        "pvc-" + string(claim.UID),
			Annotations: map[string]string{provisionedBy: Name},
		},
		Spec: corev1.PersistentVolumeSpec{
			StorageClassName: *claim.Spec.StorageClassName,
			AccessModes:      claim.Spec.AccessModes,
			Capacity: corev1.ResourceList{
				corev1.ResourceStorage: claim.Spec.Resources.Requests[corev1.ResourceStorage],
			},
			ClaimRef: &corev1.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim",
				Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
			PersistentVolumeSource: corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: folder}},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{
				NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{{
					Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{p.node},
				}}}},
			}},
		},
	}
}

// release removes a volume that its claim has left, and its folder, where the class says so.
func (p *Provisioner) release(ctx context.Context, volume *corev1.PersistentVolume) error {
	if volume.Annotations[provisionedBy] != Name || volume.Status.Phase != corev1.VolumeReleased ||
		volume.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimDelete || volume.Spec.Local == nil {
		return nil
	}
	folder := volume.Spec.Local.Path
	if filepath.Dir(folder) != p.dir {
		return fmt.Errorf("volume %s points to %s, which is not below %s: not removed", volume.Name, folder, p.dir)
	}
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	return ignoreNotFound(p.client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, metav1.DeleteOptions{}))
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
