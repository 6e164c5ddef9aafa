#!/bin/sh
# Runs a stage of the check on an emulated core: run.sh CORE ELF STAGE INPUT OUTPUT
# CORE is m3, m4 or m55; file names without spaces. QEMU_OPTIONS adds options.
set -eu
case $1 in
    m3) machine=mps2-an385 ;;
    m4) machine=mps2-an386 ;;
    m55) machine=mps3-an547 ;;
    *) echo "run.sh: no core $1; expected m3, m4 or m55" >&2 && exit 2 ;;
esac
elf=$2
shift 2
# shellcheck disable=SC2086
exec qemu-system-arm -M "$machine" -nographic -monitor none -serial null \
    ${QEMU_OPTIONS:-} -kernel "$elf" -semihosting-config \
    "enable=on,target=native,arg=check,arg=$1,arg=$2,arg=$3" </dev/null
