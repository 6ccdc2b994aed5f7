"""From the archives of VOC and COCO to the layout that training reads."""
