#!/usr/bin/perl
# launch.pl PROGRAM WORDS...: runs User-Mode Linux where the processor's state is larger than it knows.
#
# It hands each process its registers by PTRACE_SETREGSET with a buffer of fixed size, which the host's kernel refuses (EFAULT) on
# processors with AMX. There, when it asks at its start whether it can read them so (PTRACE_GETREGSET of NT_X86_XSTATE), it is told no, and
# uses the older calls, which carry SSE's registers and no wider ones: the upper halves are zero after a page fault. So programs in the
# guest must do without AVX (guest.ts), or they copy zeros now and then. On other processors all registers are kept.
use strict;
use warnings;

sub instruction { pack 'SCCL', @_ }    # struct sock_filter: code, jump if true, jump if false, operand

sub refuse_wide_registers {
    my @filter = (
        instruction(0x20, 0, 0, 0),             # the number of the system call
        instruction(0x15, 0, 5, 101),           # ptrace?
        instruction(0x20, 0, 0, 16),            # its first argument
        instruction(0x15, 0, 3, 0x4204),        # PTRACE_GETREGSET?
        instruction(0x20, 0, 0, 32),            # its third
        instruction(0x15, 0, 1, 0x202),         # NT_X86_XSTATE?
        instruction(0x06, 0, 0, 0x00050016),    # fails with EINVAL
        instruction(0x06, 0, 0, 0x7fff0000),    # all else passes
    );
    my $code    = join '', @filter;
    my $program = pack 'Sx6P', scalar @filter, $code;
    syscall(157, 38, 1, 0, 0, 0) == 0 or die "prctl(PR_SET_NO_NEW_PRIVS): $!\n";
    syscall(317, 1, 0, $program) == 0 or die "seccomp: $!\n";
}

open my $cpuinfo, '<', '/proc/cpuinfo' or die "/proc/cpuinfo: $!\n";
refuse_wide_registers() if grep { /^flags\b.*\bamx_tile\b/ } <$cpuinfo>;
exec @ARGV or die "$ARGV[0]: $!\n";
