"""BTAD's layout: MVTec's with other names; some products are .bmp, others .png, masks as well.

train/ok/*    test/ok/*    test/ko/*    ground_truth/ko/<stem>.png
"""

from workers.runtime.datasets.mvtec import KindFolders

BTAD = KindFolders("btad", "ok", lambda kind: kind.casefold() == "ok")
