# The two forms in which a program links all of the library. A program links one of them or single components, never
# both: there is one runtime in a process, and two copies of it would not know of each other.
#
#   interlock::interlock   libinterlock.so: the components in one shared library; only what IL_API marks is exported
#   interlock::static      the same as static libraries; the program then links oneTBB itself
#
# SPDX-License-Identifier: MIT

set(interlock_components base abi runtime manifests loader)
list(TRANSFORM interlock_components PREPEND interlock_ OUTPUT_VARIABLE component_targets)

# Raised when a program linked against the library before would not run with it; the version says nothing about that.
set(interlock_soversion 0)

# It is made of the components' objects. Linking the archives as well adds what they need (oneTBB, threads); none of
# their members is taken a second time, as nothing is missing.
list(TRANSFORM component_targets REPLACE "(.+)" "$<TARGET_OBJECTS:\\1>" OUTPUT_VARIABLE component_objects)
add_library(interlock SHARED ${component_objects})
add_library(interlock::interlock ALIAS interlock)
set(export_map ${PROJECT_SOURCE_DIR}/cmake/interlock.map)
set_target_properties(interlock PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${interlock_soversion}
    LINK_DEPENDS ${export_map})
# Every thread that attached runs code of it once more when it ends, so it stays when a plugin that brought it is closed.
target_link_options(interlock PRIVATE -Wl,--version-script=${export_map} -Wl,-z,nodelete)
target_link_libraries(interlock PRIVATE ${component_targets})
target_compile_features(interlock INTERFACE cxx_std_20)
target_include_directories(interlock INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
foreach(component ${interlock_components})
    target_include_directories(interlock INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/${component}/include>)
endforeach()

add_library(interlock_static INTERFACE)
add_library(interlock::static ALIAS interlock_static)
set_target_properties(interlock_static PROPERTIES EXPORT_NAME static)
target_link_libraries(interlock_static INTERFACE ${component_targets})
target_link_options(interlock_static INTERFACE -Wl,-z,nodelete)  # of a plugin; for a program it means nothing
