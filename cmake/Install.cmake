# What `cmake --install` puts where, in five components:
#   runtime   the shared library
#   audit     the shared library of the audit, which needs more of other libraries, and Unicorn is GPL-2.0
#   devel     headers, static libraries, CMake package, pkg-config files, JSON Schemas
#   tools     the interlock command
#   doc       documentation
# The schemas, the audit and the command are installed where they are made, in manifests/, audit/ and cli/.
#
# SPDX-License-Identifier: MIT

include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/interlock)

# Two export sets: who links the shared library must not need oneTBB's development files.
install(TARGETS interlock EXPORT interlockTargets
    LIBRARY COMPONENT runtime NAMELINK_COMPONENT devel)
install(TARGETS interlock_module EXPORT interlockTargets)
install(TARGETS interlock_static ${component_targets} EXPORT interlockStaticTargets ARCHIVE COMPONENT devel)
foreach(set interlockTargets interlockStaticTargets)
    install(EXPORT ${set} NAMESPACE interlock:: DESTINATION ${package_dir} COMPONENT devel)
endforeach()

foreach(component ${interlock_components})
    install(DIRECTORY ${component}/include/interlock DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT devel
        FILES_MATCHING PATTERN *.h PATTERN *.hpp)
endforeach()

configure_package_config_file(cmake/interlockConfig.cmake.in ${PROJECT_BINARY_DIR}/interlockConfig.cmake
    INSTALL_DESTINATION ${package_dir} NO_SET_AND_CHECK_MACRO)
# Before 1.0 a minor version may change the API.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/interlockConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/interlockConfig.cmake ${PROJECT_BINARY_DIR}/interlockConfigVersion.cmake
    cmake/InterlockAddModule.cmake DESTINATION ${package_dir} COMPONENT devel)

# The directories in the .pc files start from where the file lies, so that an installation can be moved. An absolute
# CMAKE_INSTALL_<dir> replaces the prefix, as cmake_path(APPEND) does it.
file(RELATIVE_PATH pc_to_prefix ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" pc_prefix "\${pcfiledir}/${pc_to_prefix}")
cmake_path(APPEND pc_libdir "\${prefix}" ${CMAKE_INSTALL_LIBDIR})
cmake_path(APPEND pc_includedir "\${prefix}" ${CMAKE_INSTALL_INCLUDEDIR})
set(pc_files interlock.pc interlock-module.pc)
if(TARGET interlock_audit_shared)
    list(APPEND pc_files interlock-audit.pc)
endif()
foreach(file ${pc_files})
    configure_file(cmake/${file}.in ${PROJECT_BINARY_DIR}/${file} @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/${file} DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT devel)
endforeach()

install(FILES README.md CHANGELOG.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT doc)
# In the folders of the tree, so that links between pages lead somewhere.
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT doc FILES_MATCHING PATTERN *.md)
install(DIRECTORY audit/rules DESTINATION ${CMAKE_INSTALL_DOCDIR}/audit COMPONENT doc)
install(DIRECTORY cli/codes DESTINATION ${CMAKE_INSTALL_DOCDIR}/cli COMPONENT doc)
install(FILES manifests/codes.md DESTINATION ${CMAKE_INSTALL_DOCDIR}/manifests COMPONENT doc)
