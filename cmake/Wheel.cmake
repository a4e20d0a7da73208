# What pip installs: the package for CPython and the command, which know nothing of each other. scikit-build-core builds
# and installs only the target and the component `wheel` (pyproject.toml).
#
# SPDX-License-Identifier: MIT
add_custom_target(wheel DEPENDS interlock_python_host interlock_python_audit interlock_python_stub
    interlock_cli interlock_cli_audit)
install(FILES python/interlock_children.pth DESTINATION . COMPONENT wheel)
install(TARGETS interlock_python_host interlock_python_audit interlock_python_stub
    DESTINATION interlock COMPONENT wheel)
install(PROGRAMS $<TARGET_FILE:interlock_cli> DESTINATION ${SKBUILD_SCRIPTS_DIR} COMPONENT wheel)
install(PROGRAMS $<TARGET_FILE:interlock_cli_audit> DESTINATION ${SKBUILD_DATA_DIR}/libexec/interlock COMPONENT wheel)
