#!/bin/sh
# Runs a stage of the check on an emulated core: run.sh CORE ELF STAGE INPUT OUTPUT
# CORE is m0, m3, m4, m55 or rv32; file names without spaces. QEMU_OPTIONS adds options.
# The micro:bit, which has a Cortex-M0, is given as much memory as the other boards have.
set -eu
emulator=qemu-system-arm
memory="-global nrf51-soc.flash-size=0x400000 -global nrf51-soc.sram-size=0x400000"
case $1 in
    m0) machine=microbit emulator="qemu-system-arm $memory" ;;
    m3) machine=mps2-an385 ;;
    m4) machine=mps2-an386 ;;
    m55) machine=mps3-an547 ;;
    rv32) machine=virt emulator="qemu-system-riscv32 -bios none" ;;
    *) echo "run.sh: no core $1; expected m0, m3, m4, m55 or rv32" >&2 && exit 2 ;;
esac
elf=$2
shift 2
# shellcheck disable=SC2086
exec $emulator -M "$machine" -nographic -monitor none -serial null \
    ${QEMU_OPTIONS:-} -kernel "$elf" -semihosting-config \
    "enable=on,target=native,arg=check,arg=$1,arg=$2,arg=$3" </dev/null
