# What the module and its sample use of Zephyr's build, for a compiler of this host.
project(Zephyr-Kernel LANGUAGES C)
add_library(app OBJECT)

foreach(setting IN LISTS SETTINGS)
  set(${setting} y)
endforeach()

function(zephyr_include_directories)
  foreach(folder IN LISTS ARGN)
    get_filename_component(folder ${folder} ABSOLUTE)
    target_include_directories(app PUBLIC ${folder})
  endforeach()
endfunction()

macro(zephyr_library_named name)
  set(ZEPHYR_CURRENT_LIBRARY ${name})
  add_library(${name} STATIC)
  get_target_property(folders app INTERFACE_INCLUDE_DIRECTORIES)
  target_include_directories(${name} PRIVATE ${folders})
endmacro()

function(zephyr_library_sources)
  target_sources(${ZEPHYR_CURRENT_LIBRARY} PRIVATE ${ARGN})
endfunction()

foreach(module IN LISTS EXTRA_ZEPHYR_MODULES)
  add_subdirectory(${module} modules)
endforeach()
target_include_directories(app PUBLIC ${STUBS})
