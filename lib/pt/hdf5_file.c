/* hdf5_file.c - HDF5 in memory that is ours, one thread at a time. */
#include "pt/hdf5_file.h"

#include <pthread.h>
#include <string.h>

/* Debian's HDF5 is not thread-safe, and its error printing is process-wide. */
static pthread_mutex_t hdf5_lock = PTHREAD_MUTEX_INITIALIZER;

void oqt__hdf5_enter(oqt__hdf5_guard *guard)
{
    pthread_mutex_lock(&hdf5_lock);
    H5Eget_auto2(H5E_DEFAULT, &guard->fn, &guard->data);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

void oqt__hdf5_leave(const oqt__hdf5_guard *guard)
{
    H5Eset_auto2(H5E_DEFAULT, guard->fn, guard->data);
    pthread_mutex_unlock(&hdf5_lock);
}

/* ---- images: callbacks that hand out the same bytes for every copy that HDF5 wants ---- */

static void *take(size_t size, H5FD_file_image_op_t op, void *memory)
{
    const oqt__hdf5_memory *m = memory;

    (void)op;
    return size <= m->size ? m->data : NULL;
}

static void *keep(void *dest, const void *src, size_t size, H5FD_file_image_op_t op, void *memory)
{
    (void)op;
    (void)memory;
    return dest == src ? dest : memmove(dest, src, size);
}

static void *grow(void *data, size_t size, H5FD_file_image_op_t op, void *memory)
{
    (void)data;
    return take(size, op, memory);
}

static herr_t leave(void *data, H5FD_file_image_op_t op, void *memory)
{
    (void)data;
    (void)op;
    (void)memory;
    return 0;
}

static void *same(void *memory)
{
    return memory;
}

static herr_t forget(void *memory)
{
    (void)memory;
    return 0;
}

static hid_t access_to(oqt__hdf5_memory *memory)
{
    enum { INCREMENT = 64 };
    H5FD_file_image_callbacks_t callbacks = {take, keep, grow, leave, same, forget, memory};
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);

    /* closed for good, since the memory goes away */
    if (access >= 0 && (H5Pset_fapl_core(access, INCREMENT, false) < 0 ||
                        H5Pset_fclose_degree(access, H5F_CLOSE_STRONG) < 0 ||
                        H5Pset_file_image_callbacks(access, &callbacks) < 0)) {
        H5Pclose(access);
        return -1;
    }
    return access;
}

hid_t oqt__hdf5_open(oqt__hdf5_memory *memory)
{
    hid_t access = access_to(memory), file = -1;

    /* keep() sees that source and copy are one; a property list must be told the bytes all the same */
    if (access >= 0 && H5Pset_file_image(access, memory->data, memory->size) >= 0)
        file = H5Fopen("image", H5F_ACC_RDONLY, access);
    if (access >= 0)
        H5Pclose(access);
    return file;
}

hid_t oqt__hdf5_create(oqt__hdf5_memory *memory, size_t alignment)
{
    hid_t access = access_to(memory), create = H5Pcreate(H5P_FILE_CREATE), file = -1;

    if (access >= 0 && create >= 0 && H5Pset_obj_track_times(create, false) >= 0 &&
        H5Pset_alignment(access, 1, alignment) >= 0 && H5Pset_sieve_buf_size(access, 0) >= 0 &&
        H5Pset_small_data_block_size(access, 0) >= 0)
        file = H5Fcreate("image", H5F_ACC_TRUNC, create, access);
    if (access >= 0)
        H5Pclose(access);
    if (create >= 0)
        H5Pclose(create);
    return file;
}
