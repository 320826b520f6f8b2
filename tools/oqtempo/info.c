/* info.c - `oqtempo info`: what this program was built with and what it found. */
#include "options.h"
#include "report.h"

static const char info_help[] =
    "Usage: oqtempo info [--json]\n"
    "Print the version, the threads, the BLAS library and the features of this build.\n";

static void print_text(void)
{
    oqt_runtime runtime;

    oqt_get_runtime(&runtime);
    printf("oqtempo %s\n", runtime.version);
    printf("threading: %s, %d thread%s by default\n", runtime.threading, runtime.max_threads,
           runtime.max_threads == 1 ? "" : "s");
    printf("BLAS: %s", runtime.blas);
    if (runtime.blas_kind == OQT_BLAS_SERIAL) {
        printf(", without threads: only one thread calls it");
    } else if (runtime.blas_threads > 0) {
        printf(", %s, %d thread%s",
               runtime.blas_kind == OQT_BLAS_OPENMP ? "on OpenMP" : "with its own threads",
               runtime.blas_threads, runtime.blas_threads == 1 ? "" : "s");
    } else {
        printf(", threads set by the environment");
    }
    printf("\nprocess-tensor files (HDF5): %s\n", runtime.hdf5 ? "yes" : "no");
    printf("HDF5 tables: %s\n", table_has_hdf5() ? "yes" : "no");
    printf("GPU: none; there is no GPU backend, everything runs on the CPU\n");
}

static int print_json(void)
{
    struct json json = {0};
    oqt_runtime runtime;
    int code = CLI_OK;

    oqt_get_runtime(&runtime);
    json_begin_object(&json, NULL);
    report_runtime(&json);
    json_begin_object(&json, "features");
    json_bool(&json, "process_tensor_files", runtime.hdf5 != 0);
    json_bool(&json, "hdf5_tables", table_has_hdf5());
    json_bool(&json, "gpu", false);
    json_end_object(&json);
    json_end_object(&json);
    if (json.text.failed) {
        code = fail_memory();
    } else {
        fputs(json.text.data, stdout);
    }
    text_release(&json.text);
    return code;
}

int command_info(int argc, char **argv)
{
    bool json = false, help = false;
    const char *none = NULL;
    size_t n;
    const struct option options[] = {
        {"--json", OPTION_FLAG, &json}, {"--help", OPTION_FLAG, &help}, {NULL, OPTION_FLAG, NULL}};
    int code = options_parse(argc, argv, options, &none, 0, &n);

    if (code)
        return code;
    if (help) {
        fputs(info_help, stdout);
    } else if (json) {
        code = print_json();
    } else {
        print_text();
    }
    return code;
}
