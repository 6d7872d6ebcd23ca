/* From reset to `main`, and from every exception to `exception`. ARM state; Rust's code is Thumb. */
    .section .vectors, "ax"
    .arm
    .global _start
_start:
    b       reset
vectors:
    ldr     pc, [pc, #24]
    ldr     pc, [pc, #24]
    ldr     pc, [pc, #24]
    ldr     pc, [pc, #24]
    ldr     pc, [pc, #24]
    nop
    ldr     pc, [pc, #24]
    ldr     pc, [pc, #24]
    .word   _start, undefined, call, prefetch, data, 0, interrupt, watchdog
vectors_end:

reset:
    /* Every mode that an exception enters, interrupts off: FIQ, IRQ, abort, undefined; then supervisor for the rest. */
    ldr     r0, =__exception_stack_top
    msr     cpsr_c, #0xd1
    mov     sp, r0
    msr     cpsr_c, #0xd2
    mov     sp, r0
    msr     cpsr_c, #0xd7
    mov     sp, r0
    msr     cpsr_c, #0xdb
    mov     sp, r0
    msr     cpsr_c, #0xd3
    ldr     sp, =__stack_top

    /* The stack is painted, so that its deepest use can be seen from outside (`cargo xtask capacity`). */
    ldr     r0, =__stack_bottom
    ldr     r2, =0x57AC57AC
0:  cmp     r0, sp
    strlo   r2, [r0], #4
    blo     0b

    /* The vectors stand at address 0. */
    ldr     r0, =vectors
    ldr     r1, =vectors_end
    mov     r2, #0
1:  ldr     r3, [r0], #4
    str     r3, [r2], #4
    cmp     r0, r1
    blo     1b

    ldr     r0, =__data_load
    ldr     r1, =__data_start
    ldr     r2, =__data_end
2:  cmp     r1, r2
    ldrlo   r3, [r0], #4
    strlo   r3, [r1], #4
    blo     2b

    ldr     r1, =__bss_start
    ldr     r2, =__bss_end
    mov     r3, #0
3:  cmp     r1, r2
    strlo   r3, [r1], #4
    blo     3b

    /* Fast interrupts, the watchdog's, on. */
    msr     cpsr_c, #0x93
    ldr     r0, =main
    blx     r0

undefined:
    mov     r0, #1
    b       fatal
call:
    mov     r0, #2
    b       fatal
prefetch:
    mov     r0, #3
    b       fatal
data:
    mov     r0, #4
    b       fatal
interrupt:
    mov     r0, #6
    b       fatal
watchdog:
    mov     r0, #7
fatal:
    mov     r1, lr
    ldr     r2, =exception
    bx      r2

    /* Sleeps until an interrupt is pending; it needs not be let in. */
    .section .text.wait_for_interrupt, "ax"
    .arm
    .global wait_for_interrupt
    .type wait_for_interrupt, %function
wait_for_interrupt:
    mov     r0, #0
    mcr     p15, 0, r0, c7, c0, 4
    bx      lr

    /* Translation table base, domain 0 as a client; then MMU (M), alignment checks (A) and read-only sections (R) on. */
    .section .text.enable_mmu, "ax"
    .arm
    .global enable_mmu
    .type enable_mmu, %function
enable_mmu:
    mcr     p15, 0, r0, c2, c0, 0
    mov     r0, #1
    mcr     p15, 0, r0, c3, c0, 0
    mov     r0, #0
    mcr     p15, 0, r0, c8, c7, 0
    mrc     p15, 0, r0, c1, c0, 0
    orr     r0, r0, #0x200
    orr     r0, r0, #0x3
    mcr     p15, 0, r0, c1, c0, 0
    bx      lr
