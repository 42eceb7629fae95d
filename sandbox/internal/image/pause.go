package image

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Pause returns a static Linux program of some 200 bytes for a Go architecture name. It does what the first process of a pod
// has to do: wait, reap orphans, and end on SIGTERM or SIGINT. It is written out here, instruction by instruction, because
// a pod needs it before any image can be pulled and no compiler for it can be counted on.
func Pause(arch string) ([]byte, error) {
	switch arch {
	case "amd64":
		return elf64(machineAMD64, pauseAMD64), nil
	case "arm64":
		return elf64(machineARM64, littleEndian(pauseARM64)), nil
	default:
		return nil, fmt.Errorf("no pause program for architecture %s", arch)
	}
}

// ELF machine numbers.
const (
	machineAMD64 = 62
	machineARM64 = 183
)

// Both programs are:
//
//	      rt_sigprocmask(SIG_BLOCK, &set, NULL, 8)  // blocked signals reach even the first process of a PID namespace
//	wait: n = rt_sigtimedwait(&set, NULL, NULL, 8)
//	      if n < 0 goto wait                        // interrupted
//	      if n != SIGCHLD goto exit
//	reap: n = wait4(-1, NULL, WNOHANG, NULL)
//	      if n > 0 goto reap else goto wait
//	exit: exit(0)
//	set:  SIGINT, SIGTERM, SIGCHLD                  // bits 1, 14 and 16

// pauseAMD64 was assembled with GNU as.
var pauseAMD64 = []byte{
	0xb8, 0x0e, 0x00, 0x00, 0x00, //             mov eax, 14 (rt_sigprocmask)
	0x31, 0xff, //                               xor edi, edi
	0x48, 0x8d, 0x35, 0x52, 0x00, 0x00, 0x00, // lea rsi, [rip+set]
	0x31, 0xd2, //                               xor edx, edx
	0x41, 0xba, 0x08, 0x00, 0x00, 0x00, //       mov r10d, 8
	0x0f, 0x05, //                               syscall
	0xb8, 0x80, 0x00, 0x00, 0x00, //       wait: mov eax, 128 (rt_sigtimedwait)
	0x48, 0x8d, 0x3d, 0x3c, 0x00, 0x00, 0x00, // lea rdi, [rip+set]
	0x31, 0xf6, //                               xor esi, esi
	0x31, 0xd2, //                               xor edx, edx
	0x41, 0xba, 0x08, 0x00, 0x00, 0x00, //       mov r10d, 8
	0x0f, 0x05, //                               syscall
	0x85, 0xc0, //                               test eax, eax
	0x78, 0xe4, //                               js wait
	0x83, 0xf8, 0x11, //                         cmp eax, 17 (SIGCHLD)
	0x75, 0x1b, //                               jne exit
	0xb8, 0x3d, 0x00, 0x00, 0x00, //       reap: mov eax, 61 (wait4)
	0x48, 0x83, 0xcf, 0xff, //                   or rdi, -1
	0x31, 0xf6, //                               xor esi, esi
	0xba, 0x01, 0x00, 0x00, 0x00, //             mov edx, 1 (WNOHANG)
	0x45, 0x31, 0xd2, //                         xor r10d, r10d
	0x0f, 0x05, //                               syscall
	0x85, 0xc0, //                               test eax, eax
	0x7f, 0xe7, //                               jg reap
	0xeb, 0xc4, //                               jmp wait
	0xb8, 0x3c, 0x00, 0x00, 0x00, //       exit: mov eax, 60 (exit)
	0x31, 0xff, //                               xor edi, edi
	0x0f, 0x05, //                               syscall
	0x0f, 0x1f, 0x00, //                         nop
	0x02, 0x40, 0x01, 0, 0, 0, 0, 0, //     set: .quad 0x14002
}

// pauseARM64 was assembled with Go's assembler.
var pauseARM64 = []uint32{
	0xaa1f03e0, //       mov x0, xzr
	0x10000341, //       adr x1, set
	0xaa1f03e2, //       mov x2, xzr
	0xb27d03e3, //       mov x3, 8
	0xd28010e8, //       mov x8, 135 (rt_sigprocmask)
	0xd4000001, //       svc 0
	0x100002a0, // wait: adr x0, set
	0xaa1f03e1, //       mov x1, xzr
	0xaa1f03e2, //       mov x2, xzr
	0xb27d03e3, //       mov x3, 8
	0xd2801128, //       mov x8, 137 (rt_sigtimedwait)
	0xd4000001, //       svc 0
	0xb7ffff40, //       tbnz x0, 63, wait
	0xf100441f, //       cmp x0, 17 (SIGCHLD)
	0x54000141, //       b.ne exit
	0x92800000, // reap: mov x0, -1
	0xaa1f03e1, //       mov x1, xzr
	0xb24003e2, //       mov x2, 1 (WNOHANG)
	0xaa1f03e3, //       mov x3, xzr
	0xd2802088, //       mov x8, 260 (wait4)
	0xd4000001, //       svc 0
	0xf100001f, //       cmp x0, 0
	0x54ffff2c, //       b.gt reap
	0x17ffffef, //       b wait
	0xaa1f03e0, // exit: mov x0, xzr
	0xd2800ba8, //       mov x8, 93 (exit)
	0xd4000001, //       svc 0
	0x00014002, // set
	0x00000000,
}

func littleEndian(words []uint32) []byte {
	var code []byte
	for _, w := range words {
		code = binary.LittleEndian.AppendUint32(code, w)
	}
	return code
}

// elf64 wraps position-independent code into a static executable: an ELF header, one loadable segment that is the whole
// file, and the code, which is entered at its first byte (System V ABI, chapters 4 and 5).
func elf64(machine uint16, code []byte) []byte {
	const (
		base       = 0x400000
		headerSize = 64
		entrySize  = 56
	)
	size := uint64(headerSize + entrySize + len(code))
	var b bytes.Buffer
	b.Write([]byte{0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}) // 64 bits, little endian, version 1
	for _, field := range []any{
		uint16(2), machine, uint32(1), // ET_EXEC
		uint64(base + headerSize + entrySize), // entry point
		uint64(headerSize), uint64(0),         // program headers, no section headers
		uint32(0), uint16(headerSize), uint16(entrySize), uint16(1), uint16(0), uint16(0), uint16(0),
		uint32(1), uint32(5), uint64(0), // PT_LOAD, readable and executable, from the file's start
		uint64(base), uint64(base), size, size, uint64(0x10000), // aligned for every page size
	} {
		_ = binary.Write(&b, binary.LittleEndian, field) // a bytes.Buffer takes everything
	}
	b.Write(code)
	return b.Bytes()
}
